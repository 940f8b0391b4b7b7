"""What `pylenet bench` does: check the two LeNets, then time them on this machine.

Each module measures one thing and returns records of plain numbers, every single time among them;
`pylenet.cli` prints and writes them.
"""
