import { join } from 'node:path'

export type Role = 'edge' | 'core'

/** The control socket of a process, in its part of the state directory. */
export function controlPath(state: string, role: Role): string {
  return join(state, role, 'control.sock')
}
