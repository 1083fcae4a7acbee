import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { MESSAGE_BYTES_MAX } from '../../src/amqp/limits.ts'
import { coreSchema } from '../../src/config/core.ts'
import { NAME_PATTERN } from '../../src/runtime/names.ts'
import { RouterPolicy } from '../interconnect/router-policy.ts'

/** As whom the edge router comes to the interior router: the first name for which its certificate was made. */
const EDGE_ROUTER = 'router.plant-a'
const FOLDER = new URL('../../deploy/', import.meta.url).pathname
const read = (file: string) => readFileSync(`${FOLDER}${file}`, 'utf8')

const labels = z.record(z.string(), z.string())
const name = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/)
const acl = z.strictObject({
  resource: z.union([
    z.strictObject({ type: z.literal('cluster') }),
    z.strictObject({ type: z.enum(['topic', 'group']), name: z.string(), patternType: z.enum(['literal', 'prefix']) }),
  ]),
  operations: z
    .array(z.enum(['Read', 'Write', 'Create', 'Delete', 'Alter', 'Describe', 'DescribeConfigs', 'IdempotentWrite']))
    .min(1),
})
const port = z.looseObject({ port: z.int().min(1).max(65_535) })

/** What each kind of resource has to have, in short: the API servers' own schemas are not here. */
const podTemplate = z.strictObject({
  metadata: z.looseObject({ labels }),
  spec: z.looseObject({ containers: z.array(z.looseObject({ name, image: z.string() })).min(1) }),
})
const SPECS: Record<string, { api: string; spec: z.ZodType }> = {
  Deployment: {
    api: 'apps/v1',
    spec: z.looseObject({ replicas: z.int().min(1), selector: z.strictObject({ matchLabels: labels }), template: podTemplate }),
  },
  Service: { api: 'v1', spec: z.looseObject({ selector: labels, ports: z.array(port).min(1) }) },
  StatefulSet: {
    api: 'apps/v1',
    spec: z.looseObject({
      serviceName: name,
      replicas: z.int().min(1),
      selector: z.strictObject({ matchLabels: labels }),
      template: podTemplate,
    }),
  },
  PodDisruptionBudget: { api: 'policy/v1', spec: z.looseObject({ selector: z.looseObject({ matchLabels: labels }) }) },
  NetworkPolicy: {
    api: 'networking.k8s.io/v1',
    spec: z.looseObject({ podSelector: z.looseObject({}), policyTypes: z.array(z.enum(['Ingress', 'Egress'])).min(1) }),
  },
  Route: {
    api: 'route.openshift.io/v1',
    spec: z.looseObject({
      host: z.string(),
      tls: z.strictObject({ termination: z.literal('passthrough') }),
      to: z.looseObject({ kind: z.literal('Service'), name }),
    }),
  },
  KafkaNodePool: {
    api: 'kafka.strimzi.io/v1',
    spec: z.looseObject({ replicas: z.int().min(3), roles: z.array(z.string()) }),
  },
  Kafka: {
    api: 'kafka.strimzi.io/v1',
    spec: z.looseObject({
      kafka: z.looseObject({ listeners: z.array(z.looseObject({ name, port: z.int(), tls: z.boolean() })).min(1) }),
    }),
  },
  KafkaUser: {
    api: 'kafka.strimzi.io/v1',
    spec: z.strictObject({
      authentication: z.looseObject({ type: z.enum(['tls', 'scram-sha-512']) }),
      authorization: z.strictObject({ type: z.literal('simple'), acls: z.array(acl).min(1) }),
    }),
  },
  ActiveMQArtemis: {
    api: 'broker.amq.io/v1beta1',
    spec: z.looseObject({
      deploymentPlan: z.looseObject({ size: z.int().min(1), persistenceEnabled: z.literal(true) }),
      acceptors: z.array(port).min(1),
    }),
  },
  Site: { api: 'skupper.io/v2alpha1', spec: z.looseObject({}) },
  Connector: { api: 'skupper.io/v2alpha1', spec: z.looseObject({ routingKey: z.string(), port: z.int(), selector: z.string() }) },
  Listener: { api: 'skupper.io/v2alpha1', spec: z.looseObject({ routingKey: z.string(), port: z.int(), host: z.string() }) },
}

interface Resource {
  readonly kind: string
  readonly apiVersion: string
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec?: unknown
  readonly data?: Record<string, string>
}

function resources(file: string): Resource[] {
  return parseAllDocuments(read(file)).map(document => {
    expect(document.errors).toEqual([])
    return document.toJS() as Resource
  })
}

const manifests = globSync(['skupper/*.yaml', 'kubernetes/*.yaml'], { cwd: FOLDER }).sort()

describe('manifests that are shipped', () => {
  test.each(manifests)('%s has whole resources of known kinds', file => {
    for (const { kind, apiVersion, metadata, spec } of resources(file)) {
      expect(name.safeParse(metadata.name).success, `${kind} ${metadata.name}`).toBe(true)
      expect(metadata.namespace).toBe('headrace')
      if (kind === 'ConfigMap') continue
      const known = SPECS[kind]
      expect(known, `the kind ${kind}`).toBeDefined()
      expect(apiVersion).toBe(known?.api)
      expect(known?.spec.safeParse(spec).error?.issues ?? [], `${kind} ${metadata.name}`).toEqual([])
    }
  })

  test('a manifest that is wrong is seen to be', () => {
    const [service] = resources('kubernetes/core.yaml').filter(({ kind }) => kind === 'Service')
    expect(SPECS['Service']?.spec.safeParse({ ...(service?.spec as object), ports: [{ port: 70_000 }] }).success).toBe(false)
  })

  test('the core.yaml of the cluster is one that the program takes', () => {
    const [map] = resources('kubernetes/core.yaml').filter(({ kind }) => kind === 'ConfigMap')
    const text = map?.data?.['core.yaml']?.replace(/name: .*/, 'name: headrace-core-0') ?? ''
    expect(coreSchema.safeParse(parse(text)).error?.issues ?? []).toEqual([])
  })

  test('the two ends of the service network name the same thing', () => {
    const keys = ['core-site', 'plant-site'].map(
      site =>
        resources(`skupper/${site}.yaml`).find(({ spec }) => (spec as { routingKey?: string } | null)?.routingKey)?.spec as {
          routingKey: string
        },
    )
    expect(keys[0]?.routingKey).toBe(keys[1]?.routingKey)
  })
})

test('the router of the cluster has the configuration that is shipped, and listens where its Service leads', () => {
  const manifest = read('kubernetes/router.yaml')
  expect(manifest).toContain('--from-file=deploy/router/interior.json')
  const withPorts = z.looseObject({ ports: z.array(z.looseObject({ containerPort: z.int() })) })
  const deployed = z.looseObject({ template: z.looseObject({ spec: z.looseObject({ containers: z.tuple([withPorts]) }) }) })
  const deployment = resources('kubernetes/router.yaml').find(({ kind }) => kind === 'Deployment')
  const [container] = deployed.parse(deployment?.spec).template.spec.containers
  const listeners = routerSections.parse(JSON.parse(read('router/interior.json'))).filter(([kind]) => kind === 'listener')
  expect(container.ports.map(each => each.containerPort)).toEqual(listeners.map(([, entries]) => entries['port']))
})

test('gateways outside of a plant’s cluster come to the Service that Skupper makes, and to no port of a router', () => {
  const plant = resources('skupper/plant-site.yaml')
  const listener = plant.find(({ kind }) => kind === 'Listener')?.spec as { host: string }
  const route = plant.find(({ kind }) => kind === 'Route')?.spec as { to: { name: string } }
  expect(route.to.name).toBe(listener.host)
  // A number would be a port of the router's pods, which is not the Listener's.
  expect(route).not.toHaveProperty('port')
  expect(plant.map(({ kind }) => kind)).not.toContain('Service')
})

/** Of what a router's configuration is made, by the schemas of qdrouterd 1.19 and skupper-router 3: a name that they do not know keeps a router from starting. */
const ROUTER_ENTRIES: Readonly<Record<string, readonly string[]>> = {
  router: ['mode', 'id'],
  sslProfile: ['name', 'certFile', 'privateKeyFile', 'caCertFile', 'uidFormat'],
  listener: [
    ...['name', 'host', 'port', 'role', 'sslProfile', 'requireSsl', 'authenticatePeer', 'saslMechanisms'],
    ...['maxFrameSize', 'idleTimeoutSeconds'],
  ],
  connector: [
    ...['name', 'host', 'port', 'role', 'sslProfile', 'saslMechanisms', 'verifyHostname', 'maxFrameSize', 'idleTimeoutSeconds'],
  ],
  address: ['prefix', 'distribution'],
  policy: ['enableVhostPolicy', 'defaultVhost', 'maxConnections'],
  vhost: ['hostname', 'maxConnections', 'maxMessageSize', 'allowUnknownUser', 'groups'],
}
const ROUTER_GROUP: readonly string[] = [
  ...['users', 'remoteHosts', 'sources', 'targets', 'allowDynamicSource', 'allowAnonymousSender', 'maxConnectionsPerUser'],
  ...['maxFrameSize', 'maxSessions', 'maxSenders', 'maxReceivers'],
]

type Entries = Readonly<Record<string, unknown>>
const routerSections = z.array(z.tuple([z.string(), z.record(z.string(), z.unknown())]))

function unknownEntries(sections: z.output<typeof routerSections>): string[] {
  return sections.flatMap(([kind, entries]) => {
    const groups = Object.values((entries['groups'] ?? {}) as Record<string, Entries>)
    return [
      ...Object.keys(entries).filter(key => !ROUTER_ENTRIES[kind]?.includes(key)),
      ...groups.flatMap(group => Object.keys(group).filter(key => !ROUTER_GROUP.includes(key))),
    ]
  })
}

describe('router configurations that are shipped', () => {
  test.each(['interior.json', 'edge.json'])('%s', file => {
    const sections = routerSections.parse(JSON.parse(read(`router/${file}`)))
    const all = (kind: string): Entries[] => sections.filter(([name]) => name === kind).map(([, entries]) => entries)
    expect(unknownEntries(sections)).toEqual([])

    // Every listener asks for a certificate, takes a batch in one frame, and finds dead peers within seconds.
    expect(all('listener').length).toBeGreaterThan(0)
    for (const each of [...all('listener'), ...all('connector')]) {
      expect(each).toMatchObject({
        ...{ sslProfile: 'headrace', saslMechanisms: 'EXTERNAL', maxFrameSize: 131_072, idleTimeoutSeconds: 4 },
      })
    }
    for (const each of all('listener')) expect(each).toMatchObject({ authenticatePeer: true, requireSsl: true })
    expect(all('sslProfile')).toEqual([expect.objectContaining({ uidFormat: 'n' })])

    // Addresses are spread as the protocol wants.
    expect(all('address')).toEqual([
      { prefix: 'headrace/ctl', distribution: 'multicast' },
      { prefix: 'headrace', distribution: 'balanced' },
    ])

    // A gateway sends to its own addresses only, and receives only replies.
    expect(all('policy')).toEqual([expect.objectContaining({ enableVhostPolicy: true })])
    const groups = all('vhost')[0]?.['groups'] as Record<string, Entries>
    expect(groups['$default']).toMatchObject({
      targets: ['headrace/open, headrace/identity, headrace/in/$', '{user}/*'].join(''),
      ...{ allowDynamicSource: true, allowAnonymousSender: false },
    })
    expect(groups['$default']).not.toHaveProperty('sources')
    // A router ends the connection of whoever sends more: an opening of thousands of sources is larger than any batch.
    expect(all('vhost')[0]?.['maxMessageSize']).toBe(MESSAGE_BYTES_MAX)
    // What a group does not say of frames counted as 16384 up to qdrouterd 1.18, and goes before what the listener says.
    for (const group of Object.values(groups)) expect(group['maxFrameSize']).toBe(131_072)
  })

  test('edge routers connect to the port at which the interior router listens for them', () => {
    const portOf = (file: string, kind: string) =>
      routerSections.parse(JSON.parse(read(`router/${file}`))).find(([name, { role }]) => name === kind && role === 'edge')?.[1][
        'port'
      ]
    expect(portOf('edge.json', 'connector')).toBe(portOf('interior.json', 'listener'))
  })

  test('a core may answer at the dynamic addresses of every router, and a gateway at none', () => {
    const policy = new RouterPolicy('interior.json')
    expect(policy.maySend('headrace-core', undefined)).toBe(true)
    for (const answer of ['amqp:/_topo/0/headrace-interior/temp.iK2+', 'amqp:/_edge/headrace-plant-a/temp.0b_f']) {
      expect(policy.maySend('headrace-core', answer), answer).toBe(true)
      expect(policy.maySend('plant-a-1', answer), answer).toBe(false)
    }
    expect(policy.maySend('headrace-core', '$management')).toBe(false)
  })

  test('what an edge router does for its gateways the interior router lets it do, and nobody else', () => {
    const policy = new RouterPolicy('interior.json')
    const sends = [undefined, 'headrace/open', 'headrace/identity', 'headrace/in/plant-a-1/18', '_$qd.addr_lookup']
    const receives = [undefined, 'headrace-plant-a', '_$qd.edge_addr_tracking']
    for (const address of sends) expect(policy.maySend(EDGE_ROUTER, address), address).toBe(true)
    for (const address of receives) expect(policy.mayReceive(EDGE_ROUTER, address), address).toBe(true)
    expect(policy.maySend('plant-a-2', 'headrace/in/plant-a-1/18')).toBe(false)
    expect(policy.mayReceive('plant-a-2', 'headrace-plant-a')).toBe(false)
    // No name of a gateway: tokens are made for those alone, so that none is enrolled as a router.
    expect(NAME_PATTERN.test(EDGE_ROUTER)).toBe(false)
  })

  test('what no router knows is seen', () => {
    expect(unknownEntries([['listener', { maxFrames: 3 }]])).toEqual(['maxFrames'])
    expect(unknownEntries([['vhost', { groups: { gateways: { target: 'x' } } }]])).toEqual(['target'])
  })
})
