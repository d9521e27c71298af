// The whole life of jobs through fivebeans 1.5 (npm), whose errors are the replies' first words.
'use strict'
const { randomBytes } = require('node:crypto')
const { once } = require('node:events')
const fivebeans = require('fivebeans')
const { assert, address, step, seconds, binary } = require('./check')

const { host, port } = address()
const commands = ['use', 'put', 'watch', 'ignore', 'reserve', 'reserve_with_timeout', 'destroy', 'release', 'bury', 'touch', 'kick', 'kick_job',
  'peek', 'peek_ready', 'peek_delayed', 'peek_buried', 'list_tube_used', 'pause_tube', 'list_tubes', 'list_tubes_watched', 'stats_job', 'stats_tube', 'stats']

// connect gives the client's own methods as promises of what they hand to their callback.
async function connect() {
  const client = new fivebeans.client(host, port)
  client.connect()
  await once(client, 'connect')
  const call = name => (...args) => new Promise((resolve, reject) => {
    client[name](...args, (error, ...results) => error ? reject(error) : resolve(results.length > 1 ? results : results[0]))
  })
  return Object.fromEntries([['end', () => client.end()], ...commands.map(name => [name, call(name)])])
}

// on connects to a tube of its own.
async function on(tube) {
  const client = await connect()
  await client.use(tube)
  await client.watch(tube)
  await client.ignore('default')
  return client
}

const rejects = (promise, reply) => assert.rejects(promise, error => error === reply)
const put = (q, body, { priority = 0, delay = 0, ttr = 60 } = {}) => q.put(priority, delay, ttr, body)

async function main() {
  await step('put, reserve, delete', async () => {
    const q = await connect()
    const id = await put(q, 'hello')
    assert.deepEqual(await q.reserve(), [id, Buffer.from('hello')])
    assert.equal((await q.stats_job(id)).state, 'reserved')
    await q.destroy(id)
    await rejects(q.destroy(id), 'NOT_FOUND')
    await rejects(q.stats_job(id), 'NOT_FOUND')
    await rejects(q.reserve_with_timeout(0), 'TIMED_OUT')
    q.end()
  })

  await step('use, watch, ignore', async () => {
    const q = await connect()
    assert.equal(await q.use('first'), 'first')
    assert.equal(await q.list_tube_used(), 'first')
    assert.equal(await q.watch('first'), '2')
    assert.equal(await q.watch('second'), '3')
    assert.deepEqual(await q.list_tubes_watched(), ['default', 'first', 'second'])
    assert.equal(await q.ignore('default'), '2')
    assert.equal(await q.ignore('second'), '1')
    await rejects(q.ignore('first'), 'NOT_IGNORED')
    assert((await q.list_tubes()).includes('first'))
    q.end()
  })

  await step('priority comes before age', async () => {
    const q = await on('priority')
    for (const [i, priority] of [4294967295, 10, 0, 1024, 10].entries()) await put(q, `${i}`, { priority })
    let order = ''
    for (let i = 0; i < 5; i++) {
      const [id, body] = await q.reserve_with_timeout(0)
      order += body
      await q.destroy(id)
    }
    assert.equal(order, '21430')
    q.end()
  })

  await step('delay', async () => {
    const q = await on('delay')
    const id = await put(q, 'later', { priority: 5, delay: 1 })
    assert.equal((await q.peek_delayed())[0], id)
    await rejects(q.peek_ready(), 'NOT_FOUND')
    await rejects(q.reserve_with_timeout(0), 'TIMED_OUT')
    const { state, pri, delay, ttr, tube } = await q.stats_job(id)
    assert.deepEqual([state, pri, delay, ttr, tube], ['delayed', 5, 1, 60, 'delay'])
    assert(await seconds(() => q.reserve_with_timeout(4)) > 0.5)
    await q.destroy(id)
    q.end()
  })

  await step('timed out, deadline soon, lease ended', async () => {
    const [q, other] = [await on('lease'), await on('lease')]
    assert(await seconds(() => rejects(q.reserve_with_timeout(1), 'TIMED_OUT')) > 0.9)
    const id = await put(q, 'slow', { ttr: 2 })
    await q.reserve()
    await rejects(q.reserve(), 'DEADLINE_SOON')
    let again
    for (let tries = 0; !again && tries < 5; tries++) {
      again = await other.reserve_with_timeout(1).catch(() => undefined)
      await q.stats() // beanstalkd may forget a lease that ends until its holder sends something.
    }
    assert.equal(again[0], id)
    const { timeouts, reserves } = await other.stats_job(id)
    assert.deepEqual([timeouts, reserves], [1, 2])
    await rejects(q.destroy(id), 'NOT_FOUND')
    await other.destroy(id)
    q.end()
    other.end()
  })

  await step('touch', async () => {
    const [q, clock] = [await on('touch'), await on('silence')]
    const id = await put(q, 'long', { ttr: 3 })
    await q.reserve()
    await rejects(clock.reserve_with_timeout(2), 'TIMED_OUT')
    assert((await q.stats_job(id))['time-left'] <= 1)
    await q.touch(id)
    assert((await q.stats_job(id))['time-left'] >= 2)
    await q.destroy(id)
    await rejects(q.touch(id), 'NOT_FOUND')
    q.end()
    clock.end()
  })

  await step('release', async () => {
    const q = await on('release')
    const id = await put(q, 'again', { priority: 1 })
    await q.reserve()
    await q.release(id, 77, 0)
    let stats = await q.stats_job(id)
    assert.deepEqual([stats.state, stats.pri, stats.releases], ['ready', 77, 1])
    await q.reserve()
    await q.release(id, 78, 60)
    stats = await q.stats_job(id)
    assert.deepEqual([stats.state, stats.pri], ['delayed', 78])
    await q.kick_job(id)
    await q.destroy((await q.reserve())[0])
    q.end()
  })

  await step('bury, kick, kick-job', async () => {
    const q = await on('bury')
    const ids = []
    for (let i = 0; i < 4; i++) {
      ids.push(await put(q, `${i}`))
      await q.bury((await q.reserve())[0], 50)
    }
    assert.equal((await q.peek_buried())[0], ids[0])
    await rejects(q.reserve_with_timeout(0), 'TIMED_OUT')
    assert.equal(await q.kick(2), '2')
    await q.kick_job(ids[3])
    assert.equal((await q.stats_tube('bury'))['current-jobs-buried'], 1)
    const kicked = [await q.reserve(), await q.reserve(), await q.reserve()]
    assert.deepEqual(kicked.map(([, body]) => `${body}`), ['0', '1', '3'])
    assert.equal(await q.kick(100), '1')
    await rejects(q.kick_job(987654321), 'NOT_FOUND')
    q.end()
  })

  await step('peek', async () => {
    const q = await on('peek')
    const id = await put(q, 'look')
    assert.deepEqual(await q.peek(id), [id, Buffer.from('look')])
    assert.deepEqual(await q.peek_ready(), [id, Buffer.from('look')])
    assert.equal((await q.stats_job(id)).reserves, 0)
    await q.destroy(id)
    await rejects(q.peek(id), 'NOT_FOUND')
    q.end()
  })

  await step('stats', async () => {
    const q = await on('stats')
    await put(q, 'a', { priority: 1 })
    await put(q, 'b', { priority: 5000 })
    await put(q, 'c', { priority: 1, delay: 60 })
    const tube = await q.stats_tube('stats')
    const counts = ['urgent', 'ready', 'reserved', 'delayed', 'buried'].map(phase => tube[`current-jobs-${phase}`])
    assert.deepEqual(counts, [1, 2, 0, 1, 0])
    assert.deepEqual([tube.name, tube['total-jobs'], tube['current-using'], tube['current-watching']], ['stats', 3, 1, 1])
    const server = await q.stats()
    for (const key of ['current-jobs-ready', 'cmd-put', 'total-jobs', 'max-job-size', 'pid', 'uptime']) assert(Number.isInteger(server[key]), key)
    await rejects(q.stats_tube('nowhere'), 'NOT_FOUND')
    q.end()
  })

  await step('pause', async () => {
    const q = await on('pause')
    const id = await put(q, 'held')
    await q.pause_tube('pause', 60)
    assert.equal((await q.stats_tube('pause')).pause, 60)
    await rejects(q.reserve_with_timeout(0), 'TIMED_OUT')
    await q.pause_tube('pause', 1)
    assert(await seconds(() => q.reserve_with_timeout(4)) > 0.9)
    await q.destroy(id)
    await rejects(q.pause_tube('nowhere', 1), 'NOT_FOUND')
    q.end()
  })

  await step('bodies: empty, binary, the largest', async () => {
    const q = await on('bodies')
    const max = (await q.stats())['max-job-size']
    for (const body of [Buffer.alloc(0), binary, randomBytes(max)]) {
      const id = await put(q, body)
      const [reserved, got] = await q.reserve()
      assert.equal(reserved, id)
      assert(got.equals(body))
      await q.destroy(id)
    }
    await rejects(put(q, Buffer.alloc(max + 1)), 'JOB_TOO_BIG')
    assert.equal(await q.list_tube_used(), 'bodies')
    q.end()
  })

  await step('many jobs, pipelined, each once', async () => {
    const q = await on('many')
    const ids = await Promise.all(Array.from({ length: 500 }, (_, i) => put(q, `job ${i}`)))
    assert.equal(new Set(ids).size, 500)
    const left = new Map(ids.map((id, i) => [id, `job ${i}`]))
    const jobs = await Promise.all(ids.map(() => q.reserve_with_timeout(0)))
    for (const [id, body] of jobs) {
      assert.equal(`${body}`, left.get(id))
      assert(left.delete(id))
    }
    await Promise.all(ids.map(id => q.destroy(id)))
    await rejects(q.reserve_with_timeout(0), 'TIMED_OUT')
    q.end()
  })

  await step('two connections', async () => {
    const [a, b] = [await on('two'), await on('two')]
    const id = await put(a, 'mine')
    await a.reserve()
    await rejects(b.destroy(id), 'NOT_FOUND')
    const waiting = b.reserve()
    await a.release(id, 0, 0)
    assert.equal((await waiting)[0], id)
    b.end()
    assert.equal((await a.reserve_with_timeout(2))[0], id)
    await a.destroy(id)
    a.end()
  })
}

main()
