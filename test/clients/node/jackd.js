// The whole life of jobs through jackd 2 (npm).
'use strict'
const { randomBytes } = require('node:crypto')
const Jackd = require('jackd')
const { assert, address, step, seconds, yaml, list, binary } = require('./check')

const at = address()
const text = job => job.payload.toString()

async function connect() {
  const client = new Jackd()
  await client.connect(at)
  return client
}

// on connects to a tube of its own.
async function on(tube) {
  const client = await connect()
  await client.use(tube)
  await client.watch(tube)
  await client.ignore('default')
  return client
}

const rejects = (promise, reply) => assert.rejects(promise, error => error.message.startsWith(reply))

async function main() {
  await step('put, reserve, delete', async () => {
    const q = await connect()
    const id = await q.put('hello')
    const job = await q.reserve()
    assert.deepEqual([job.id, text(job)], [id, 'hello'])
    assert.equal(yaml(await q.statsJob(id)).state, 'reserved')
    await q.delete(id)
    await rejects(q.delete(id), 'NOT_FOUND')
    await rejects(q.reserveWithTimeout(0), 'TIMED_OUT')
    await q.quit()
  })

  await step('use, watch, ignore', async () => {
    const q = await connect()
    assert.equal(await q.use('first'), 'first')
    assert.equal(await q.listTubeUsed(), 'first')
    assert.equal(await q.watch('first'), 2)
    assert.equal(await q.watch('second'), 3)
    assert.deepEqual(list(await q.listTubesWatched()), ['default', 'first', 'second'])
    assert.equal(await q.ignore('default'), 2)
    assert.equal(await q.ignore('second'), 1)
    await rejects(q.ignore('first'), 'NOT_IGNORED')
    assert(list(await q.listTubes()).includes('first'))
    await q.quit()
  })

  await step('priority comes before age', async () => {
    const q = await on('priority')
    for (const [i, priority] of [4294967295, 10, 0, 1024, 10].entries()) await q.put(`${i}`, { priority })
    let order = ''
    for (let i = 0; i < 5; i++) {
      const job = await q.reserveWithTimeout(0)
      order += text(job)
      await q.delete(job.id)
    }
    assert.equal(order, '21430')
    await q.quit()
  })

  await step('delay', async () => {
    const q = await on('delay')
    const id = await q.put('later', { priority: 5, delay: 1, ttr: 60 })
    assert.equal((await q.peekDelayed()).id, id)
    await rejects(q.peekReady(), 'NOT_FOUND')
    await rejects(q.reserveWithTimeout(0), 'TIMED_OUT')
    const { state, pri, delay, ttr } = yaml(await q.statsJob(id))
    assert.deepEqual([state, pri, delay, ttr], ['delayed', '5', '1', '60'])
    assert(await seconds(() => q.reserveWithTimeout(4)) > 0.5)
    await q.delete(id)
    await q.quit()
  })

  await step('timed out, deadline soon, lease ended', async () => {
    const [q, other] = [await on('lease'), await on('lease')]
    assert(await seconds(() => rejects(q.reserveWithTimeout(1), 'TIMED_OUT')) > 0.9)
    const id = await q.put('slow', { ttr: 2 })
    await q.reserve()
    await rejects(q.reserve(), 'DEADLINE_SOON')
    let again
    for (let tries = 0; !again && tries < 5; tries++) {
      again = await other.reserveWithTimeout(1).catch(() => undefined)
      await q.stats() // beanstalkd may forget a lease that ends until its holder sends something.
    }
    assert.equal(again.id, id)
    const { timeouts, reserves } = yaml(await other.statsJob(id))
    assert.deepEqual([timeouts, reserves], ['1', '2'])
    await rejects(q.delete(id), 'NOT_FOUND')
    await other.delete(id)
    await Promise.all([q.quit(), other.quit()])
  })

  await step('touch', async () => {
    const [q, clock] = [await on('touch'), await on('silence')]
    const id = await q.put('long', { ttr: 3 })
    await q.reserve()
    await rejects(clock.reserveWithTimeout(2), 'TIMED_OUT')
    assert(Number(yaml(await q.statsJob(id))['time-left']) <= 1)
    await q.touch(id)
    assert(Number(yaml(await q.statsJob(id))['time-left']) >= 2)
    await q.delete(id)
    await rejects(q.touch(id), 'NOT_FOUND')
    await Promise.all([q.quit(), clock.quit()])
  })

  await step('release', async () => {
    const q = await on('release')
    const id = await q.put('again', { priority: 1 })
    await q.reserve()
    await q.release(id, { priority: 77 })
    let stats = yaml(await q.statsJob(id))
    assert.deepEqual([stats.state, stats.pri, stats.releases], ['ready', '77', '1'])
    await q.reserve()
    await q.release(id, { priority: 78, delay: 60 })
    stats = yaml(await q.statsJob(id))
    assert.deepEqual([stats.state, stats.pri], ['delayed', '78'])
    await q.kickJob(id)
    await q.delete((await q.reserve()).id)
    await q.quit()
  })

  await step('bury, kick, kick-job', async () => {
    const q = await on('bury')
    const ids = []
    for (let i = 0; i < 4; i++) {
      ids.push(await q.put(`${i}`))
      await q.bury((await q.reserve()).id, 50)
    }
    assert.equal((await q.peekBuried()).id, ids[0])
    await rejects(q.reserveWithTimeout(0), 'TIMED_OUT')
    assert.equal(await q.kick(2), 2)
    await q.kickJob(ids[3])
    assert.equal(yaml(await q.statsTube('bury'))['current-jobs-buried'], '1')
    const kicked = [await q.reserve(), await q.reserve(), await q.reserve()]
    assert.deepEqual(kicked.map(text), ['0', '1', '3'])
    assert.equal(await q.kick(100), 1)
    await rejects(q.kickJob(987654321), 'NOT_FOUND')
    await q.quit()
  })

  await step('peek, reserve-job', async () => {
    const [q, other] = [await on('peek'), await connect()]
    const id = await q.put('look')
    assert.equal(text(await q.peek(id)), 'look')
    assert.equal(text(await q.peekReady()), 'look')
    assert.equal(text(await other.reserveJob(id)), 'look')
    await rejects(q.reserveJob(id), 'NOT_FOUND')
    await other.delete(id)
    await rejects(q.peek(id), 'NOT_FOUND')
    await Promise.all([q.quit(), other.quit()])
  })

  await step('stats', async () => {
    const q = await on('stats')
    await q.put('a', { priority: 1 })
    await q.put('b', { priority: 5000 })
    await q.put('c', { priority: 1, delay: 60 })
    const tube = yaml(await q.statsTube('stats'))
    const counts = ['urgent', 'ready', 'reserved', 'delayed', 'buried'].map(phase => tube[`current-jobs-${phase}`])
    assert.deepEqual(counts, ['1', '2', '0', '1', '0'])
    assert.deepEqual([tube.name, tube['total-jobs'], tube['current-using'], tube['current-watching']], ['stats', '3', '1', '1'])
    const server = yaml(await q.stats())
    for (const key of ['current-jobs-ready', 'cmd-put', 'total-jobs', 'max-job-size', 'pid', 'uptime']) assert.match(server[key], /^\d+$/)
    await q.quit()
  })

  await step('pause', async () => {
    const q = await on('pause')
    const id = await q.put('held')
    // jackd sends pause-tube without a line end, so the suite adds it.
    const pause = (tube, delay) => Promise.all([q.pauseTube(tube, { delay }), q.write(Buffer.from('\r\n'))])
    await pause('pause', 60)
    assert.equal(yaml(await q.statsTube('pause')).pause, '60')
    await rejects(q.reserveWithTimeout(0), 'TIMED_OUT')
    await pause('pause', 1)
    assert(await seconds(() => q.reserveWithTimeout(4)) > 0.9)
    await q.delete(id)
    await rejects(pause('nowhere', 1), 'NOT_FOUND')
    await q.quit()
  })

  await step('bodies: binary, the largest', async () => {
    const q = await on('bodies')
    const max = Number(yaml(await q.stats())['max-job-size'])
    // A buffer given as the payload goes out as JSON; a string in the one-byte range of UTF-8 as it is.
    const largest = randomBytes(max / 2).toString('hex').padEnd(max, 'x')
    for (const body of [binary.toString('utf8'), largest]) {
      await q.put(body)
      const job = await q.reserve()
      assert(job.payload.equals(Buffer.from(body)))
      await q.delete(job.id)
    }
    await rejects(q.put(largest + 'x'), 'JOB_TOO_BIG')
    assert.equal(await q.listTubeUsed(), 'bodies')
    await q.quit()
  })

  await step('many jobs, pipelined, each once', async () => {
    const q = await on('many')
    const ids = await Promise.all(Array.from({ length: 500 }, (_, i) => q.put(`job ${i}`)))
    assert.equal(new Set(ids).size, 500)
    const left = new Map(ids.map((id, i) => [id, `job ${i}`]))
    while (left.size > 0) {
      const job = await q.reserveWithTimeout(0)
      assert.equal(text(job), left.get(job.id))
      assert(left.delete(job.id))
      await q.delete(job.id)
    }
    await rejects(q.reserveWithTimeout(0), 'TIMED_OUT')
    await q.quit()
  })

  await step('two connections', async () => {
    const [a, b] = [await on('two'), await on('two')]
    const id = await a.put('mine')
    await a.reserve()
    await rejects(b.delete(id), 'NOT_FOUND')
    const waiting = b.reserve()
    await a.release(id)
    assert.equal((await waiting).id, id)
    await b.quit()
    assert.equal((await a.reserveWithTimeout(2)).id, id)
    await a.delete(id)
    await a.quit()
  })
}

main()
