"""K-means in one dimension, and a tensor's weights as few clusters.

Arrays come in, centroids and the cluster of each value go out. This room is below the
wall: it knows NumPy, C and scikit-learn's conventions, and nothing of Keras.
"""
