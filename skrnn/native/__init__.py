"""What is written in C, and its calls from NumPy: a file beside each of C."""
