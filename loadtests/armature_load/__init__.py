"""Load on OpenAI-compatible servers: what is sent, when, and what is written down of it. Needs Locust, and nothing of Armature."""
