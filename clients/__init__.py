"""The platform node: data, local private training, local recommendation. Imports only `shared`."""
