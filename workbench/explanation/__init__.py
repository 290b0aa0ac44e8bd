"""One front door to the methods of Captum, LIME and SHAP, and the record that comes back."""
