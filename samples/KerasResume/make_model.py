"""Trains a recogniser of spoken digits on clean speech with Keras, and saves it as digits.keras."""
import pathlib
import sys
import wave

import keras
import numpy as np

FRAMES, BANDS, WINDOW, HOP, RATE = 32, 24, 256, 200, 8000
SAMPLES = (FRAMES - 1) * HOP + WINDOW


def filters():
    """Triangles over the power spectrum, their corners equally spaced on the mel scale."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (100, RATE / 2))
    corners = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1) * WINDOW / RATE
    bins = np.arange(WINDOW // 2 + 1)[:, None]
    left, top, right = corners[:-2], corners[1:-1], corners[2:]
    return np.maximum(0, np.minimum((bins - left) / (top - left), (right - bins) / (right - top)))


def features(path):
    """What samples/Speech/LogMel.cs computes of a recording in the middle of the window."""
    with wave.open(str(path)) as file:
        speech = np.frombuffer(file.readframes(file.getnframes()), np.uint8) / 128 - 1
    window = np.zeros(SAMPLES)
    shift = int((SAMPLES - len(speech)) / 2)
    start, end = max(0, shift), min(SAMPLES, shift + len(speech))
    window[start:end] = speech[start - shift:end - shift]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    frames = np.stack([hann * window[i * HOP:i * HOP + WINDOW] for i in range(FRAMES)])
    mel = np.log(1e-3 + np.abs(np.fft.rfft(frames)) ** 2 @ filters())
    mel -= mel.mean(axis=0)
    return mel / (np.sqrt(np.mean(mel ** 2)) + 1e-3)


files = sorted((pathlib.Path(__file__).parent / "../Speech/Recordings").glob("*.wav"))
speakers = sorted({file.stem.split("_")[1] for file in files})
train = [file for file in files if speakers.index(file.stem.split("_")[1]) % 5 != 0]  # every fifth voice is for the test
x = np.stack([features(file) for file in train])[..., None].astype("float32")
y = np.array([int(file.stem[0]) for file in train])

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((FRAMES, BANDS, 1), name="features")] + [
    layer for i, filters_ in enumerate((8, 12, 16), 1) for layer in (
        keras.layers.Conv2D(filters_, 3, padding="same", activation="relu", name=f"conv{i}"),
        keras.layers.MaxPooling2D(name=f"pool{i}"))
] + [keras.layers.Flatten(name="flatten"), keras.layers.Dropout(0.2, name="dropout"),
     keras.layers.Dense(10, activation="softmax", name="digit")], name="digits")
model.compile(keras.optimizers.Adamax(0.004), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=32, epochs=30)
model.save(sys.argv[1] if len(sys.argv) > 1 else "digits.keras")
