import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { FieldFacts, Fields } from '../record/fields.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { nearest } from '../runtime/nearest.ts'
import { WrittenNumber } from '../runtime/raw-json.ts'
import { ALIASES_MAX, parseYaml, readYamlFile } from '../runtime/yaml.ts'
import { reckoned, shortestFloat } from './digits.ts'

const PROFILES_FOLDER = new URL('../../hardware/devices/', import.meta.url)

const FUNCTIONS = ['holding', 'input', 'coil', 'discrete'] as const
export type ModbusFunction = (typeof FUNCTIONS)[number]

/** Registers of a type; a coil or a discrete input is a bit, and has an address of its own. */
const TYPES = { bit: 1, u16: 1, i16: 1, u32: 2, i32: 2, f32: 2, u64: 4, i64: 4, f64: 4 } as const
export type RegisterType = keyof typeof TYPES

const fieldName = z.string().regex(/^[a-z][a-z0-9_]*$/)

const registerSchema = z.strictObject({
  name: fieldName,
  address: z.int().min(0).max(65_535).describe('As it goes over the wire: from 0.'),
  function: z.enum(FUNCTIONS).optional().describe('How it is read, where that is not how the others are.'),
  type: z.enum(Object.keys(TYPES) as [RegisterType, ...RegisterType[]]).optional(),
  words: z.enum(['big', 'little']).default('big').describe('Which register of a number comes first.'),
  bytes: z
    .enum(['big', 'little'])
    .default('big')
    .describe('Which byte of a register comes first; little where a device turns them round.'),
  scale: z.number().default(1).describe('The number is multiplied by it.'),
  offset: z.number().default(0).describe('Then this is added.'),
  values: z
    .record(z.string().regex(/^-?\d+$/), z.string().min(1))
    .optional()
    .describe('What each number means, such as { 0: off, 1: on }: the field is that text; a number that is not named stays one.'),
  bits: z
    .record(fieldName, z.int().min(0).max(63))
    .optional()
    .describe('Instead of one field, one for each bit that is named, true or false; bit 0 is the lowest.'),
  unit: z.string().default(''),
  none: z.number().optional().describe('The number, before it is scaled, that stands for "not known"; null is given then.'),
})
export type Register = z.output<typeof registerSchema> & { readonly function: ModbusFunction; readonly type: RegisterType }

const profileSchema = z.strictObject({
  device: z.string(),
  source: z.string().describe('Where the register map was published.'),
  function: z.enum(FUNCTIONS).default('holding'),
  max_registers: z.int().min(1).max(125).default(60).describe('Registers that the device gives in one answer.'),
  max_gap: z
    .int()
    .min(0)
    .max(50)
    .default(8)
    .describe('Registers that may be read for nothing to join two reads; 0 where the device refuses what it does not know.'),
  registers: z.array(registerSchema).min(1).max(1_000),
})
export type ModbusProfile = Omit<z.output<typeof profileSchema>, 'registers'> & { readonly registers: readonly Register[] }

/** Coils and discrete inputs: single bits. */
export function isBits(code: ModbusFunction): boolean {
  return code === 'coil' || code === 'discrete'
}

/** Fills in how each register is read. Throws an error that says which one makes no sense. */
function whole({ registers, ...profile }: z.output<typeof profileSchema>): ModbusProfile {
  return {
    ...profile,
    registers: registers.map(register => {
      const code = register.function ?? profile.function
      const type = register.type ?? (isBits(code) ? 'bit' : undefined)
      if (type === undefined) throw new Error(`${register.name} needs a type: one of ${Object.keys(TYPES).slice(1).join(', ')}`)
      if (isBits(code) !== (type === 'bit'))
        throw new Error(
          `${register.name} cannot be ${type}: what is read as ${code} ${isBits(code) ? 'is a bit' : 'is a register'}`,
        )
      return { ...register, function: code, type }
    }),
  }
}

/** A device profile by its name in hardware/devices/, or by the path of a file. Throws `config_invalid`. */
export function loadProfile(device: string): ModbusProfile {
  const isFile = device.endsWith('.yaml')
  if (!isFile && !profileNames().includes(device)) {
    const meant = nearest(device, profileNames())
    throw new HeadraceError(
      'config_invalid',
      `device "${device}" is no device profile${meant ? `; did you mean "${meant}"?` : ''}`,
      {
        advice: `Known are ${profileNames().join(', ')}; or name a .yaml file made like those in hardware/devices/.`,
      },
    )
  }
  const path = isFile ? device : fileURLToPath(new URL(`${device}.yaml`, PROFILES_FOLDER))
  try {
    const { document, errors } = parseYaml(readYamlFile(path))
    if (errors[0]) throw new Error(errors[0].message)
    const { data, error } = profileSchema.safeParse(document.toJS({ maxAliasCount: ALIASES_MAX }))
    if (error) throw new Error(error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`).join('; '))
    return whole(data)
  } catch (cause) {
    throw new HeadraceError('config_invalid', `the device profile ${device} cannot be used: ${messageOf(cause)}`, {
      advice: 'Look at those in hardware/devices/ for how one is made.',
      cause,
    })
  }
}

/** Profiles in hardware/devices/. */
export function profileNames(): string[] {
  return readdirSync(PROFILES_FOLDER)
    .filter(file => file.endsWith('.yaml'))
    .map(file => file.slice(0, -'.yaml'.length))
    .sort()
}

/** The fields that a profile's registers give, with their units. */
export function fieldsOf({ registers }: ModbusProfile): Fields {
  return Object.fromEntries(
    registers.flatMap(({ name, type, unit, bits, values }): [string, FieldFacts][] => {
      if (type === 'bit' && !values) return [[name, { type: 'boolean' }]]
      if (bits) return Object.keys(bits).map(bit => [bit, { type: 'boolean' }])
      return [[name, { type: values ? 'text' : 'number', ...(unit !== '' && { unit }) }]]
    }),
  )
}

/** Registers, or bits, that one request reads. */
export interface Span {
  readonly function: ModbusFunction
  readonly address: number
  readonly length: number
  readonly registers: readonly Register[]
}

/** Joins a profile's registers into as few requests as the device allows. */
export function joinReads(profile: ModbusProfile): Span[] {
  const spans: { function: ModbusFunction; address: number; length: number; registers: Register[] }[] = []
  const order = (register: Register) => FUNCTIONS.indexOf(register.function)
  for (const register of profile.registers.toSorted((a, b) => order(a) - order(b) || a.address - b.address)) {
    const end = register.address + TYPES[register.type]
    const last = spans.at(-1)
    const joined =
      last?.function === register.function &&
      end - last.address <= profile.max_registers &&
      register.address - (last.address + last.length) <= profile.max_gap
    if (joined) {
      last.length = Math.max(last.length, end - last.address)
      last.registers.push(register)
    } else
      spans.push({ function: register.function, address: register.address, length: TYPES[register.type], registers: [register] })
  }
  return spans
}

/** What is no text is written to JSON as it is: a number that a double does not hold as a {@link WrittenNumber}. */
export type RegisterValue = number | string | boolean | WrittenNumber

/** The fields that a register gives, from the bytes that a span brought: one, or one for each bit that is named. */
export function readRegister(register: Register, span: Span, bytes: Buffer): [name: string, value: RegisterValue][] {
  if (register.type === 'bit') {
    const at = register.address - span.address
    const bit = ((bytes[at >> 3] ?? 0) >> (at & 7)) & 1
    return [[register.name, register.values?.[String(bit)] ?? bit === 1]]
  }
  const raw = rawOf(register, span, bytes)
  if (register.bits) {
    const all = raw.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
    return Object.entries(register.bits).map(([name, bit]) => [name, ((all >> BigInt(bit)) & 1n) === 1n])
  }
  const number = decode(register.type, raw)
  // YAML keeps of a key that is a number what a double holds of it.
  const named = register.values?.[String(number)] ?? register.values?.[String(Number(number))]
  return [[register.name, named ?? scaled(register, number)]]
}

/** The bytes of a register as they would be with the highest word and byte first. */
function rawOf(register: Register, span: Span, bytes: Buffer): Buffer {
  const words = TYPES[register.type]
  const from = (register.address - span.address) * 2
  const raw = Buffer.from(bytes.subarray(from, from + words * 2))
  if (register.bytes === 'little') raw.swap16()
  if (register.words === 'little' && words > 1) swapWords(raw)
  return raw
}

function scaled({ type, scale, offset, none }: Register, decoded: number | bigint): RegisterValue {
  const number = Number(decoded)
  const isNone = type === 'f32' ? none !== undefined && Math.fround(number) === Math.fround(none) : number === none
  // In JSON it is null.
  if (isNone) return Number.NaN
  if (typeof decoded === 'bigint' && Number.isSafeInteger(scale) && Number.isSafeInteger(offset))
    return exactly(decoded * BigInt(scale) + BigInt(offset))
  return scale === 1 && offset === 0 ? number : reckoned(number * scale + offset)
}

function exactly(value: bigint): number | WrittenNumber {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : new WrittenNumber(String(value))
}

function decode(type: Exclude<RegisterType, 'bit'>, raw: Buffer): number | bigint {
  switch (type) {
    case 'u16':
      return raw.readUInt16BE()
    case 'i16':
      return raw.readInt16BE()
    case 'u32':
      return raw.readUInt32BE()
    case 'i32':
      return raw.readInt32BE()
    case 'f32':
      return shortestFloat(raw.readFloatBE())
    case 'u64':
      return raw.readBigUInt64BE()
    case 'i64':
      return raw.readBigInt64BE()
    case 'f64':
      return raw.readDoubleBE()
  }
}

function swapWords(raw: Buffer): void {
  const words: number[] = []
  for (let at = 0; at < raw.length; at += 2) words.unshift(raw.readUInt16BE(at))
  for (const [index, word] of words.entries()) raw.writeUInt16BE(word, index * 2)
}
