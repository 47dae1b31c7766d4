"""Whether `edge run` will work on this machine, and what to do where it will not.

Nothing here imports NumPy, OpenCV, a runtime or the kernels into this process: any of them may be
what is broken. They are tried in processes of their own.
"""
