"""Reinforcement learning on one machine by the reactor model."""
