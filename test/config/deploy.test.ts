import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { coreSchema } from '../../src/config/core.ts'
import { readRouterConfig } from '../support/router-config.ts'

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
const SPECS: Record<string, { api: string; spec: z.ZodType }> = {
  Service: { api: 'v1', spec: z.looseObject({ selector: labels, ports: z.array(port).min(1) }) },
  StatefulSet: {
    api: 'apps/v1',
    spec: z.looseObject({
      serviceName: name,
      replicas: z.int().min(1),
      selector: z.strictObject({ matchLabels: labels }),
      template: z.strictObject({
        metadata: z.looseObject({ labels }),
        spec: z.looseObject({ containers: z.array(z.looseObject({ name, image: z.string() })).min(1) }),
      }),
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
    api: 'kafka.strimzi.io/v1beta2',
    spec: z.looseObject({ replicas: z.int().min(3), roles: z.array(z.string()) }),
  },
  Kafka: {
    api: 'kafka.strimzi.io/v1beta2',
    spec: z.looseObject({
      kafka: z.looseObject({ listeners: z.array(z.looseObject({ name, port: z.int(), tls: z.boolean() })).min(1) }),
    }),
  },
  KafkaUser: {
    api: 'kafka.strimzi.io/v1beta2',
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
  Interconnect: {
    api: 'interconnectedcloud.github.io/v1alpha1',
    spec: z.looseObject({
      addresses: z.array(z.strictObject({ prefix: z.string(), distribution: z.enum(['multicast', 'balanced']) })).min(1),
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

test('gateways outside of a plant’s cluster come to the Service that Skupper makes, and to no port of a router', () => {
  const plant = resources('skupper/plant-site.yaml')
  const listener = plant.find(({ kind }) => kind === 'Listener')?.spec as { host: string }
  const route = plant.find(({ kind }) => kind === 'Route')?.spec as { to: { name: string } }
  expect(route.to.name).toBe(listener.host)
  expect(plant.map(({ kind }) => kind)).not.toContain('Service')
})

describe('router configurations that are shipped', () => {
  const files = { 'interior.conf': readRouterConfig, 'edge.conf': readRouterConfig, 'skrouterd.json': readJson }
  for (const [file, readConfig] of Object.entries(files)) {
    const sections = readConfig(read(`router/${file}`))
    const all = (kind: string) => sections.filter(section => section.kind === kind).map(({ entries }) => entries)

    test(`${file}: every listener asks for a certificate, takes a batch in one frame, and finds dead peers within seconds`, () => {
      expect(all('listener').length).toBeGreaterThan(0)
      for (const each of [...all('listener'), ...all('connector')]) {
        expect(each).toMatchObject({
          sslProfile: 'headrace',
          saslMechanisms: 'EXTERNAL',
          maxFrameSize: '131072',
          idleTimeoutSeconds: '4',
        })
      }
      for (const each of all('listener')) expect(['yes', 'true']).toContain(each['authenticatePeer'])
      expect(all('sslProfile')).toEqual([expect.objectContaining({ uidFormat: 'n' })])
    })

    test(`${file}: addresses are spread as the protocol wants`, () => {
      expect(all('address')).toEqual([
        { prefix: 'headrace/ctl', distribution: 'multicast' },
        { prefix: 'headrace', distribution: 'balanced' },
      ])
    })

    test(`${file}: a gateway sends to its own addresses only, and receives only replies`, () => {
      expect(all('policy')).toEqual([expect.objectContaining({ enableVhostPolicy: 'true' })])
      const [vhost] = all('vhost')
      const groups = vhost?.['groups'] as Record<string, Record<string, string>>
      expect(groups['$default']).toMatchObject({
        targets: ['headrace/open, headrace/identity, headrace/in/$', '{user}/*'].join(''),
        sources: '',
        allowDynamicSource: 'true',
        allowAnonymousSender: 'false',
      })
    })
  }

  test('a configuration that is not whole is seen to be', () => {
    expect(() => readRouterConfig('router {\n  mode: edge\n')).toThrow('line 3')
    expect(() => readRouterConfig('router {\n  mode edge\n}\n')).toThrow('line 2')
  })
})

type Entries = Record<string, unknown>

function readJson(text: string): { kind: string; entries: Entries }[] {
  const asText = (value: unknown): unknown =>
    typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asText(inner)]))
      : String(value)
  const sections = z.array(z.tuple([z.string(), z.record(z.string(), z.unknown())])).parse(JSON.parse(text))
  return sections.map(([kind, entries]) => ({ kind, entries: asText(entries) as Entries }))
}
