export interface DeviceSetup {
  readonly source: string
  /** Path that leads to the device's pseudo terminal. */
  readonly link: string
  readonly ledger: string
  readonly recordsPerSecond: number
  /** One of its records, and how large it is. */
  readonly heavy?: { readonly atRecord: number; readonly bytes: number }
}

/** What is asked of the process of the devices. */
export type DeviceRequest =
  | { readonly call: 'open'; readonly seed: number; readonly devices: readonly DeviceSetup[] }
  | { readonly call: 'go' }
  | { readonly call: 'rest' }
  | { readonly call: 'finish' }

/** `done`: of each device, how many records it has given so far. */
export type DeviceReply = { readonly done: Readonly<Record<string, number>> } | { readonly failed: string }
