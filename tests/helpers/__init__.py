"""What tests share: nets, data, and second implementations to compare with."""
