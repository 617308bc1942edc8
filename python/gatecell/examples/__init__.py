"""Examples: scripts that run trained models from packages on PyPI, without PyTorch.

python -m gatecell.examples.silero_vad [speech.wav]     finds speech in a recording
python -m gatecell.examples.g2p_en [word ...]           gives the pronunciation of English words
python -m gatecell.examples.arabic_segmenter [word ...] cuts Arabic words into prefixes, stem and suffixes

Each script says how to install its package.
"""
