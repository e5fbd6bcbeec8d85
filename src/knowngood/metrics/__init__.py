"""Metrics of scores, and the rules that choose a threshold.

``ranking``         AUROC, average precision and F1-max of image scores.
``paired``          Whether two detectors differ on the same images.
``regions``         The same for pixels, and AUPRO, from histograms.
``rates``           False rejects and escapes at a threshold, with confidence intervals.
``calibration``     p-values from held-out good scores.
``thresholds``      The rules that choose a threshold.
``classification``  Confusion matrix, precision, recall and F1 per class.
``reliability``     Calibration error and temperature of a classifier.
``similarity``      Structural similarity of two images.
``defect_types``    The samples to compute any of these on for one defect type.
``agreement``       Kappa of repeated decisions on the same parts.
``clustered``       Shares of parts that are observed several times.
``variance_components``  Repeatability of a score from take to take and from station to station.
``hit_miss``        Probability of detection by the size of a defect.
``martingale``      Whether numbers are still like those before.
``decisions``       Whether two who decide differ, and bounds that hold at all times.
``checks``          The checks of labels and scores that all metrics share.

Everywhere `defect` are labels (N,), bool, True = defect; `scores` are image scores (N,), higher = more
anomalous; and a part is rejected when its score is **strictly greater** than the threshold, compared in
float64. Labels and scores that do not fit each other, and scores that are NaN or -inf, raise a ValueError.
"""
