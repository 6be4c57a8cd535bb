"""What the page of `pareto.py` says beside its tables."""

INTRODUCTION = """# Resources against error

{first} {last} {machine}
"""
CHOICES = """## What to choose
"""
