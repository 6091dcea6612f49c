"""The deploy controller: a pure core that decides and a shell that acts."""
