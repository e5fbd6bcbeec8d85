"""How well scores tell good from defect, and where to draw the line.

``ranking``       AUROC, AP and F1-max of image scores.
``regions``       the same for pixels, and AUPRO, from histograms.
``rates``         false rejects and escapes at a threshold, with confidence intervals.
``calibration``   p-values from held-out good scores.
``thresholds``    the rules that choose a threshold.
``similarity``    how alike two images are.
``defect_types``  the samples to compute any of these on for one defect type.
``checks``        what every metric asks of its input.

Everywhere a part is rejected when its score is **strictly greater** than the threshold, compared in float64.
"""
