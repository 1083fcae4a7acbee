/** What a device is connected by: a port that it opens, or one of whoever reads it. */
export type Connection = 'serial' | 'tcp' | 'unix' | 'udp' | 'http' | 'webhook' | 'mqtt'

/** What a simulated device says, without the line that it says it on. */
export interface DeviceModel {
  readonly name: string
  readonly summary: string
  readonly over: Connection
  /** Bytes that it sends by itself, or that it gives to each that asks over HTTP, message by message; undefined where it speaks only when asked. */
  say?(second: number): Buffer[]
  /** Speed at which it listens, of one that is heard and hears only at the right one; any will do, unless set. */
  readonly baud?: number
  /** Takes what it was sent: the answer to the request at its beginning; undefined while more has to come. */
  answer?(request: Buffer): DeviceAnswer | undefined
  /** The part of a pipeline file that reads it; `path` is a port's path, or an address. */
  yaml(path: string): string
}

export interface DeviceAnswer {
  readonly reply: Buffer | undefined
  /** Bytes of what it was sent that are done with. */
  readonly taken: number
  /** How long it takes to answer, ms; no time, unless set. */
  readonly afterMs?: number
  /** Speed of the reply, where {@link DeviceModel.baud} is set. */
  readonly baud?: number
}

/** The same for a second of the day, whichever device: values that move and never jump. */
export function swing(second: number, period: number, middle: number, span: number): number {
  return middle + span * Math.sin((2 * Math.PI * second) / period)
}
