"""The manual: one Markdown file for each topic, which `magictel guide` shows and the repository's readers browse.

A file begins with its title and one sentence, which the list of topics shows. The links in it name other files of this folder.
Text between `<!-- generated: NAME -->` and `<!-- end -->` is written by `python -m tests.test_readme`; tests run the commands.
"""
