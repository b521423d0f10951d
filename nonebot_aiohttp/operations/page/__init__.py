"""The page that shows operators a driver, made anew for each request."""

from .response import page_response as page_response
