"""Mask-conditioned latent diffusion: backbone, ControlNet, LAW's weighting, sampling."""
