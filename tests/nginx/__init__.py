"""Tests of the bots of several processes behind a real nginx, with the files of the page."""
