/** A simulated device while it runs. */
export interface Simulator {
  /** The port that it speaks on, or host:port. */
  readonly path: string
  stop(): Promise<void>
}
