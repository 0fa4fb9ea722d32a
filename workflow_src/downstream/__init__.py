"""nnU-Net on real images and on mixes of real and synthetic ones, through nnunetv2 itself."""
