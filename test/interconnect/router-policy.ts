import { readFileSync } from 'node:fs'
import { z } from 'zod'

/*
  How qdrouterd 1.19 and skupper-router 3 judge by a vhost's policy (src/policy.c, src/router_node.c).

    A connection belongs to the group that names its user, else to `$default`. So does one of role `edge`: only routers of the interior pass unjudged.
    A name in `sources` or `targets` counts as a whole; with `*` as its last character it is how an address begins, alone it is any address.
    `${user}` is the user. What is not there lets nothing in.
    A link to the anonymous terminus needs `allowAnonymousSender`; each message on it is held against `targets` by its `to`.
*/
const groupSchema = z.looseObject({
  users: z.string().default(''),
  sources: z.string().optional(),
  targets: z.string().optional(),
  allowDynamicSource: z.boolean().default(false),
  allowAnonymousSender: z.boolean().default(false),
})
const vhostSchema = z.looseObject({ groups: z.record(z.string(), groupSchema) })
const sectionsSchema = z.array(z.tuple([z.string(), z.unknown()]))

type Group = z.output<typeof groupSchema>

/** The policy of a router's configuration in `deploy/router/`. */
export class RouterPolicy {
  readonly #groups: Readonly<Record<string, Group>>

  constructor(file: 'interior.json' | 'edge.json') {
    const text = readFileSync(new URL(`../../deploy/router/${file}`, import.meta.url), 'utf8')
    const vhost = sectionsSchema.parse(JSON.parse(text)).find(([kind]) => kind === 'vhost')?.[1]
    this.#groups = vhostSchema.parse(vhost).groups
  }

  /** Whether a user may attach a sender to an address (undefined: the anonymous terminus). */
  maySend(user: string, address: string | undefined): boolean {
    const group = this.#groupOf(user)
    return address === undefined ? group?.allowAnonymousSender === true : isNamed(group?.targets, user, address)
  }

  /** Whether a user may attach a receiver to an address (undefined: a dynamic one). */
  mayReceive(user: string, address: string | undefined): boolean {
    const group = this.#groupOf(user)
    return address === undefined ? group?.allowDynamicSource === true : isNamed(group?.sources, user, address)
  }

  #groupOf(user: string): Group | undefined {
    return Object.values(this.#groups).find(({ users }) => namesIn(users).includes(user)) ?? this.#groups['$default']
  }
}

function isNamed(list: string | undefined, user: string, address: string): boolean {
  return namesIn(list ?? '').some(each => {
    const name = each.replace(['$', '{user}'].join(''), user)
    return name.endsWith('*') ? address.startsWith(name.slice(0, -1)) : address === name
  })
}

function namesIn(list: string): string[] {
  return list.split(',').flatMap(each => each.trim() || [])
}
