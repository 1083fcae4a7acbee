import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { ConfigDocument } from '../config/document.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { controlPath, type Role } from './state-paths.ts'

export interface WhereOptions {
  readonly state?: string
  readonly config?: string
}

/** The state directory that a command is about: `--state`, or what `--config` says, from where that file lies, or that of `up` in this folder. */
export function stateOf({ state, config }: WhereOptions): string {
  if (state !== undefined) return state
  if (config === undefined) return './.headrace'
  return resolve(dirname(config), ConfigDocument.read(config).as(z.looseObject({ state: z.string() })).state)
}

/** The control socket of the process that a command needs; throws `not_running` where there is none, of what was looked for. */
export function controlOf(options: WhereOptions, role: Role, lookedFor: string = role): string {
  const path = controlPath(stateOf(options), role)
  if (existsSync(path)) return path
  throw new HeadraceError('not_running', `no ${lookedFor} is running with its state in ${stateOf(options)}`, {
    advice: 'Name its configuration with --config, or its directory with --state.',
  })
}
