"""A generative adversarial network learns to draw points on a ring: two networks, two optimizers, one training step of one's own.

    python examples/gan.py

The critic learns to tell real points from drawn ones, the generator to draw points that the critic takes for real (Goodfellow et
al., Generative adversarial nets, 2014). `train_step` is plain code that changes weights and the state of optimizers as it goes; it
is compiled, and an epoch is one loop on the device.
"""

import argparse

import numpy as np

import lamina
from lamina import layers, ops


class GAN(lamina.Model):
    def __init__(self, noise=4):
        super().__init__()
        self.noise = noise
        self.generator = lamina.Sequential(
            [lamina.Input((noise,)), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(2)]
        )
        self.critic = lamina.Sequential(
            [lamina.Input((2,)), layers.Dense(64, "leaky_relu"), layers.Dense(64, "leaky_relu"), layers.Dense(1)]
        )
        self.generator_optimizer = lamina.optimizers.Adam(1e-3, beta_1=0.5)
        self.critic_optimizer = lamina.optimizers.Adam(2e-3, beta_1=0.5)
        self.seed = lamina.random.SeedGenerator(0)

    def draw(self, count):
        return self.generator(lamina.random.normal((count, self.noise), seed=self.seed))

    def train_step(self, real):
        def critic_loss():
            fake = self.draw(len(real))
            return ops.mean(ops.softplus(-self.critic(real))) + ops.mean(ops.softplus(self.critic(fake)))

        def generator_loss():
            return ops.mean(ops.softplus(-self.critic(self.draw(len(real)))))

        critic, gradients = lamina.value_and_grad(critic_loss, self.critic.trainable_weights)()
        self.critic_optimizer.apply(gradients, self.critic.trainable_weights)
        generator, gradients = lamina.value_and_grad(generator_loss, self.generator.trainable_weights)()
        self.generator_optimizer.apply(gradients, self.generator.trainable_weights)
        return {"critic": critic, "generator": generator}


def ring(count, rng):
    """Returns points at a distance of about 2 from the middle."""
    angle, distance = rng.uniform(0, 2 * np.pi, count), rng.normal(2, 0.1, count)
    return np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1).astype("float32")


def picture(points, size=17):
    """Returns lines of text: the more points, the darker."""
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=size, range=[(-3, 3), (-3, 3)])
    return ["".join(" .:*#"[min(4, int(np.ceil(count / counts.max() * 4)))] * 2 for count in row) for row in counts]


def main(epochs=30, points=8192):
    lamina.random.set_seed(0)
    real = ring(points, np.random.default_rng(0))
    gan = GAN()
    gan.compile()
    gan.fit(real, batch_size=128, epochs=epochs)

    drawn = np.asarray(gan.draw(2000))
    for left, right in zip(picture(real[:2000]), picture(drawn), strict=True):
        print(f"{left}    {right}")
    distance = np.linalg.norm(drawn, axis=1)
    print("Left: real points, 2.00 ± 0.10 from the middle.")
    print(f"Right: drawn points, {distance.mean():.2f} ± {distance.std():.2f} from the middle.")
    return drawn


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    main(**vars(parser.parse_args()))
