"""What is measured: overlap of masks, fidelity of images, cost of networks."""
