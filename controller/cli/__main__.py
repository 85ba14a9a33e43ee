"""``python -m annealscope.controller.cli``."""

from annealscope.controller.cli.app import main

main()
