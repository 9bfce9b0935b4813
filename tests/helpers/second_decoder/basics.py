"""Bytes, bits, and what both versions list."""

DTYPES = (
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 "
    "complex64 complex128 bfloat16 float8_e4m3fn float8_e5m2"
).split()
SIZES = (1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 8, 16, 2, 1, 1)
FIRST_FLOAT = DTYPES.index("float16")  # all that follow have signs and exponents
SIGNED = [DTYPES.index(name) for name in ("int8", "int16", "int32", "int64")]
COMPLEX = DTYPES.index("complex64"), DTYPES.index("complex128")
NAMES = (
    "kernel bias gamma beta moving_mean moving_variance embeddings recurrent_kernel "
    "depthwise_kernel pointwise_kernel"
).split()


class Bytes:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, n):
        self.at += n
        assert self.at <= len(self.data)
        return self.data[self.at - n : self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def string(self):
        return self.take(self.varint()).decode()


class Bits:
    """The bits of some bytes, the lowest of each byte first."""

    def __init__(self, data, begin=0):
        self.data = data
        self.at = 8 * begin

    def bit(self):
        bit = self.data[self.at // 8] >> self.at % 8 & 1
        self.at += 1
        return bit

    def number(self, n):
        return sum(self.bit() << i for i in range(n))
