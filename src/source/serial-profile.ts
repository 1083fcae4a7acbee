import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { ALIASES_MAX, parseYaml, readYamlFile } from '../runtime/yaml.ts'

const FOLDER = new URL('../../hardware/devices/serial/', import.meta.url)

/** hardware/devices/serial/<device>.yaml: what there is to know of a device that speaks on a serial line. */
export const serialProfileSchema = z.strictObject({
  device: z.string(),
  source: z.string().min(20).describe('Where the format was published.'),
  units: z.record(z.string(), z.string()).describe('Of its fields.'),
  settings: z
    .looseObject({ serial: z.looseObject({ path: z.string() }) })
    .describe('The source of a pipeline file that reads it, for a port that has to be named anew.'),
  asks: z.array(z.string()).optional().describe('What it is asked, where it speaks only then.'),
  conversation: z.array(z.string()).optional().describe('What it says.'),
  conversation_hex: z.array(z.string()).optional().describe('The same, of one that does not speak in text.'),
  reads: z.array(z.record(z.string(), z.unknown())).min(1).describe('What is made of that.'),
})
export type SerialProfile = z.output<typeof serialProfileSchema>

export function serialProfileNames(): string[] {
  return readdirSync(FOLDER)
    .filter(file => file.endsWith('.yaml'))
    .map(file => file.slice(0, -'.yaml'.length))
    .sort()
}

/** Undefined where there is none of that name. */
export function loadSerialProfile(name: string): SerialProfile | undefined {
  if (!serialProfileNames().includes(name)) return undefined
  const { document } = parseYaml(readYamlFile(fileURLToPath(new URL(`${name}.yaml`, FOLDER))))
  return serialProfileSchema.parse(document.toJS({ maxAliasCount: ALIASES_MAX }))
}

/** What an `ask` says what is asked by; one of its own takes the place of the profile's. */
const ASKING = ['requests', 'iec62056']

type Mapping = Readonly<Record<string, unknown>>

const isMapping = (value: unknown): value is Mapping => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * A source as it stands in a pipeline file, before it is checked: where its `serial` names a `device`, what it does not say itself is said by that
 * device's profile. A framing, a decoder or requests of its own take the place of those of the profile as a whole.
 */
export function withSerialProfile(source: unknown): unknown {
  if (!isMapping(source) || !isMapping(source['serial'])) return source
  const { serial } = source
  const profile = typeof serial['device'] === 'string' ? loadSerialProfile(serial['device']) : undefined
  if (!profile) return source
  const { serial: line, ...rest } = profile.settings
  const { path: _path, ...settings } = line
  const { ask: asked } = serial
  const known = profile.asks ? { requests: profile.asks } : settings['ask']
  // How often it is asked is one thing, and what is another.
  const ask =
    isMapping(known) && isMapping(asked) && !ASKING.some(each => each in asked) ? { ...known, ...asked } : (asked ?? known)
  const own = isMapping(source['fields']) ? source['fields'] : {}
  const fields = Object.fromEntries(Object.entries(profile.units).map(([name, unit]) => [name, { unit, ...spread(own[name]) }]))
  return {
    ...rest,
    ...source,
    serial: { ...settings, ...serial, ...(ask !== undefined && { ask }) },
    fields: { ...fields, ...without(own, fields) },
  }
}

function spread(value: unknown): Mapping {
  return isMapping(value) ? value : {}
}

function without(own: Mapping, taken: Mapping): Mapping {
  return Object.fromEntries(Object.entries(own).filter(([name]) => !(name in taken)))
}
