import { z } from 'zod'

const PORT_MAX = 65_535
const ADDRESS = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:[\]]+)):(\d{1,5})$/

export interface SocketAddress {
  readonly host: string
  readonly port: number
}

/** `host:port`, `[::1]:port`; undefined where it is neither. */
export function parseAddress(text: string): SocketAddress | undefined {
  const match = ADDRESS.exec(text)
  const port = Number(match?.[3])
  if (!match || port > PORT_MAX) return undefined
  return { host: match[1] ?? match[2] ?? '', port }
}

/** An address in a pipeline file; text outside and inside, so that it can be shown as it was written. */
export const addressText = z
  .string()
  .refine(text => parseAddress(text) !== undefined, 'is not an address: write host:port, such as 0.0.0.0:5140 or [::1]:5140')
