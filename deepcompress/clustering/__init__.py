"""K-means in one dimension, and a tensor's weights as few clusters.

Arrays come in, centroids and the cluster of each value go out. This room is below the
wall: it knows NumPy, C and scikit-learn's conventions, and nothing of Keras.

`kmeans` tells the story: values are checked and put in order (`values`), joined where
they are many (`elements`), cut where it is best (`optimal`) or where Lloyd's iteration
leads from a start (`starts`), and labelled (`labels`). `entropy` counts the bits of the
labels too, and `clusters` does either for a tensor.
"""
