"""What acts, records and learns without Python, in C.

`dense` chooses the instruction set, `mlp` has fully connected networks, `adam` the optimizer, `head` draws actions,
`rollout` keeps steps. Nothing here needs torch.
"""
