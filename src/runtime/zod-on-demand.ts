import { onDemand } from './on-demand.ts'

/*
  What stands for zod in a program that is put together (scripts/bundle): a schema is noted when its module is loaded, and made when somebody first
  uses it. A process has hundreds of schemas in its modules, each of some kilobytes once it is made, and uses a few of them; a gateway that has its
  configuration checked elsewhere, none but those of its messages.

  A schema is a factory of `z` and then calls upon it: those are noted. Whatever else is asked of it makes it, and from then on it answers by itself.
*/

const itself = onDemand<typeof import('./zod-itself.ts')>(new URL('./zod-itself.ts', import.meta.url))

type Loose = Readonly<Record<PropertyKey, unknown>>
type Call = (...args: readonly unknown[]) => unknown

/** Factories of schemas. */
const FACTORIES: ReadonlySet<PropertyKey> = new Set([
  'array',
  'base64',
  'boolean',
  'discriminatedUnion',
  'enum',
  'int',
  'literal',
  'looseObject',
  'null',
  'number',
  'object',
  'record',
  'strictObject',
  'string',
  'tuple',
  'union',
  'unknown',
  'url',
])

/** What makes a further schema of one, and looks at nothing: all that take another schema are among them, since what is noted must not get into one. */
const STEPS: ReadonlySet<PropertyKey> = new Set([
  'and',
  'array',
  'catch',
  'catchall',
  'default',
  'describe',
  'endsWith',
  'extend',
  'int',
  'length',
  'max',
  'merge',
  'min',
  'nullable',
  'omit',
  'optional',
  'or',
  'partial',
  'pick',
  'pipe',
  'positive',
  'prefault',
  'refine',
  'regex',
  'rest',
  'safeExtend',
  'startsWith',
  'superRefine',
  'transform',
])

/** Under this name a noted schema gives the one that it stands for. */
const MADE = Symbol('made')

function noted(make: () => unknown): unknown {
  let made: object | undefined
  const get = (): object => {
    made ??= make() as object
    return made
  }
  return new Proxy(
    {},
    {
      get(_, key) {
        if (key === MADE) return get()
        if (STEPS.has(key)) {
          return (...args: readonly unknown[]) => noted(() => ((get() as Loose)[key] as Call)(...args.map(itselfOf)))
        }
        const value = Reflect.get(get(), key)
        // Data to be read is handed over as it is.
        return typeof value === 'function' ? (...args: readonly unknown[]) => value.apply(get(), args.map(schemaOf)) : value
      },
      has: (_, key) => key === MADE || Reflect.has(get(), key),
      getPrototypeOf: () => Reflect.getPrototypeOf(get()),
    },
  )
}

/** An argument with what was noted in it made: schemas themselves, in lists, in objects, and what a function gives. */
function itselfOf(value: unknown): unknown {
  if (typeof value === 'function') return (...args: readonly unknown[]) => schemaOf(value(...args))
  if (typeof value !== 'object' || value === null) return value
  if (MADE in value) return value[MADE]
  if (Array.isArray(value)) return value.map(itselfOf)
  if (Reflect.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, itselfOf(each)]))
}

/** What a check or a transformation gives is the reader's own, unless it is a schema. */
function schemaOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && MADE in value ? value[MADE] : value
}

export const z = new Proxy(
  {},
  {
    get(_, key) {
      if (FACTORIES.has(key)) {
        return (...args: readonly unknown[]) => noted(() => ((itself() as unknown as Loose)[key] as Call)(...args.map(itselfOf)))
      }
      const value = (itself() as unknown as Loose)[key]
      if (typeof value !== 'function' || isClass(key)) return value
      return (...args: readonly unknown[]) => (value as Call)(...args.map(itselfOf))
    },
  },
) as typeof import('zod').z

/** Classes are looked at by `instanceof`: they have to be zod's own. */
function isClass(key: PropertyKey): boolean {
  return typeof key === 'string' && /^[A-Z]/.test(key)
}
