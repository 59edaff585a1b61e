"""The actors that run processes, one file each; they talk by message, not by import."""
