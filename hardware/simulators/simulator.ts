import type { Misdeed } from './mischief.ts'

/** A simulated device while it runs. */
export interface Simulator {
  /** The port that it speaks on, or host:port. */
  readonly path: string
  stop(): Promise<void>
}

/** One that misbehaves, and counts what it did. */
export interface MischievousSimulator extends Simulator {
  readonly misdeeds: Readonly<Record<Misdeed, number>>
}
