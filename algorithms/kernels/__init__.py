"""Small fully connected networks in C: their forward and backward passes, and the optimizer's step.

`dense` chooses the instruction set, `mlp` has networks, `adam` the optimizer. Nothing here needs torch.
"""
