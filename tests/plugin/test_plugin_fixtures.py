"""What is true of the fixtures together: they cost nothing unused, mend what they broke, and do what the docs show."""

import re

from tests.plugin.conftest import ROOT, Gated

PROJECT = """
    import asyncio, inspect, subprocess, sys
    from urllib.parse import urlsplit
    import pytest

    SERVER = '''
    import asyncio
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line)
        writer.close()
    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()
    asyncio.run(main())
    '''

    class Service:
        async def ask(self, url, text):
            parts = urlsplit(url)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(f"{text}\\n".encode())
                return (await reader.readline()).decode().strip()
            finally:
                writer.close()

    @pytest.fixture(scope="module")
    def service():
        service = Service()
        child = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        service.url, service.pid = f"http://127.0.0.1:{int(child.stdout.readline())}/", child.pid
        yield service
        child.kill()
        child.wait()
        child.stdout.close()

    def pytest_pyfunc_call(pyfuncitem):
        if inspect.iscoroutinefunction(pyfuncitem.obj):
            names = inspect.signature(pyfuncitem.obj).parameters
            asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
            return True
"""


def test_the_end_of_a_test_mends_everything(gated: Gated) -> None:
    gated.write(PROJECT, name="conftest.py")
    gated.write("""
        import socket, threading
        import psutil, pytest

        def test_breaks(faults, service):
            proxies = [faults.proxy(service.url) for _ in range(2)]
            service.left = socket.create_connection((proxies[0].host, proxies[0].port), timeout=10)
            service.left.sendall(b"x\\n")
            assert service.left.recv(10) == b"x\\n"
            proxies[0].blackhole()
            proxies[1].down()
            service.port = proxies[1].port
            faults.process(service.pid).stop()

        def test_finds_nothing_broken(service):
            assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
            with service.left, pytest.raises(ConnectionResetError):
                service.left.recv(1)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", service.port))
            assert psutil.Process(service.pid).status() != "stopped"
    """)
    done = gated.run("-W", "error")
    assert "2 passed" in done.stdout, done.stdout


def test_a_suite_that_breaks_nothing_does_not_pay_for_it(gated: Gated) -> None:
    gated.write("""
        import sys
        def test_imports(metrics):
            assert not [name for name in sys.modules if name.startswith(("gate.plugin.faults", "gate.plugin.load"))]
            assert not {"asyncio", "psutil"} & sys.modules.keys()
    """)
    assert "1 passed" in gated.run().stdout


def test_a_conftest_may_import_the_types_behind_the_fixtures(gated: Gated) -> None:
    gated.write("from gate.plugin.faults import Faults, Process, Proxy\n", name="conftest.py")
    gated.write("def test_both(faults, load): pass\n")
    assert "1 passed" in gated.run().stdout


def test_the_examples_of_the_documentation_work(gated: Gated) -> None:
    text = (ROOT / "docs" / "fixtures.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    gated.write(PROJECT, name="conftest.py")
    for n, example in enumerate(examples):
        gated.write(f"import asyncio, psutil, pytest\n\n{example}", name=f"test_{n}.py")
    done = gated.run()
    assert f"{len(examples)} passed" in done.stdout, done.stdout
    found = {metric.name: metric for metric in gated.metrics().metrics}
    shown = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    assert set(re.findall(r"^  (\w+):", shown[1], re.MULTILINE)) <= found.keys()
