"""Trained models out of packages on PyPI, run without PyTorch: scripts to start from.

python -m gatecell.examples.silero_vad [speech.wav]     when somebody speaks
python -m gatecell.examples.g2p_en [word ...]           how English words are pronounced
python -m gatecell.examples.arabic_segmenter [word ...] Arabic words cut into prefixes, stem and suffixes

Each says how to install its package.
"""
