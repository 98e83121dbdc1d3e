"""What is outside: the store's place, the processes of this machine, torchrun and MLflow."""
