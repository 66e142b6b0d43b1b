"""The federation as separate processes: end to end, under kills, against Flower's FedAvg."""
