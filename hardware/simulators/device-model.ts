/** What a device is connected by: a port that it opens, or one of whoever reads it. */
export type Connection = 'serial' | 'tcp' | 'unix' | 'udp' | 'http' | 'webhook' | 'mqtt'

/** What a simulated device says, without the line that it says it on. */
export interface DeviceModel {
  readonly name: string
  readonly summary: string
  readonly over: Connection
  /** Bytes that it sends by itself, or that it gives to each that asks over HTTP, message by message; undefined where it speaks only when asked. */
  say?(second: number): Buffer[]
  /**
   * Takes what it was sent: the answer to the request at its beginning, and how many bytes that took; undefined while more has to come.
   */
  answer?(request: Buffer): { readonly reply: Buffer | undefined; readonly taken: number } | undefined
  /** The part of a pipeline file that reads it; `path` is a port's path, or an address. */
  yaml(path: string): string
}

/** The same for a second of the day, whichever device: values that move and never jump. */
export function swing(second: number, period: number, middle: number, span: number): number {
  return middle + span * Math.sin((2 * Math.PI * second) / period)
}
