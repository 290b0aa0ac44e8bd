"""Real int8 models: conversion, storage, and the surrogate through which gradients reach them."""
