"""The page of ``avr serve``: a server of this machine, whose page asks the index and plays what it finds."""
