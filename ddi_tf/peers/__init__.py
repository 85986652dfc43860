"""What the paper is compared with, trained and counted by the same program."""
