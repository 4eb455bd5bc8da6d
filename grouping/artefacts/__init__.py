"""What trainings leave behind: the weights of recommended networks, in a folder or at any address."""
