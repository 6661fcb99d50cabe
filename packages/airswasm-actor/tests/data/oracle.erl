%% Runs scripts of starts, crashes and stops on OTP's own supervisor and prints what happened.
%% One script a line: {Strategy, Intensity, AutoShutdown, [{Id, Restart, Significant, Failures}], [Op]}.
%% One answer a line: for each step the events since the last, and the children at its end.
-module(oracle).
-export([main/0, init/1, start_worker/1]).

main() ->
    process_flag(trap_exit, true),
    logger:set_primary_config(level, none),
    register(collector, self()),
    ets:new(failures, [named_table, public]),
    loop().

loop() ->
    case io:read('') of
        {ok, Script} -> io:format("~s~n", [run(Script)]), loop();
        eof -> halt(0)
    end.

run({Strategy, Intensity, Auto, Children, Ops}) ->
    ets:delete_all_objects(failures),
    [ets:insert(failures, {Id, F}) || {Id, _, _, F} <- Children],
    Flags = #{strategy => Strategy, intensity => Intensity, period => 3600,
              auto_shutdown => Auto},
    Specs = [spec(Id, Restart, Significant) || {Id, Restart, Significant, _} <- Children],
    case supervisor:start_link(?MODULE, {Flags, Specs}) of
        {ok, Sup} ->
            First = step(Sup),
            Rest = steps(Sup, Ops),
            stop(Sup),
            Last = "; " ++ events(),
            [First, Rest, Last];
        {error, _} ->
            flush_exits(),
            events() ++ " failed"
    end.

init({Flags, Specs}) -> {ok, {Flags, Specs}}.

spec(Id, Restart, Significant) ->
    #{id => Id, start => {?MODULE, start_worker, [Id]}, restart => Restart,
      significant => Significant, shutdown => 5000, type => worker}.

steps(_, []) -> [];
steps(Sup, [Op | Ops]) ->
    case is_process_alive(Sup) of
        true ->
            Note = act(Sup, Op),
            ["; ", Note, step(Sup), steps(Sup, Ops)];
        false -> []
    end.

act(Sup, {exit, Id, Reason}) ->
    case pid(Sup, Id) of
        Pid when is_pid(Pid) ->
            Ref = monitor(process, Pid),
            Pid ! {leave, Reason},
            receive {'DOWN', Ref, _, _, _} -> "" end;
        _ -> "absent "
    end;
act(_, {failures, Id, Count}) -> ets:insert(failures, {Id, Count}), "";
act(Sup, {stop, Id}) -> note(supervisor:terminate_child(Sup, Id));
act(Sup, {restart, Id}) -> note(supervisor:restart_child(Sup, Id));
act(Sup, {delete, Id}) -> note(supervisor:delete_child(Sup, Id));
act(Sup, {start, Id, Restart}) -> note(supervisor:start_child(Sup, spec(Id, Restart, false))).

note(ok) -> "";
note({ok, _}) -> "";
note({error, not_found}) -> "missing ";
note({error, running}) -> "running ";
note({error, restarting}) -> "running ";
note({error, already_present}) -> "exists ";
note({error, {already_started, _}}) -> "exists ";
note({error, _}) -> "refused ".

pid(Sup, Id) ->
    case lists:keyfind(Id, 1, supervisor:which_children(Sup)) of
        {Id, Pid, _, _} -> Pid;
        false -> none
    end.

step(Sup) ->
    State = settle(Sup),
    [events(), " ", State].

%% Waits until the supervisor has nothing left to do; its children, or that it has ended.
settle(Sup) ->
    erlang:yield(),
    try [{Id, Pid} || {Id, Pid, _, _} <- supervisor:which_children(Sup)] of
        Children ->
            case lists:any(fun({_, P}) -> busy(P) end, Children) of
                true -> settle(Sup);
                false -> lists:join(",", [state(Id, P) || {Id, P} <- lists:sort(Children)])
            end
    catch exit:_ ->
        receive {'EXIT', Sup, shutdown} -> "ended" end
    end.

busy(restarting) -> true;
busy(Pid) when is_pid(Pid) -> not is_process_alive(Pid);
busy(_) -> false.

state(Id, undefined) -> [atom_to_list(Id), "-"];
state(Id, _) -> [atom_to_list(Id), "+"].

stop(Sup) ->
    case is_process_alive(Sup) of
        true -> exit(Sup, shutdown), receive {'EXIT', Sup, _} -> ok end;
        false -> ok
    end,
    flush_exits().

flush_exits() -> receive {'EXIT', _, _} -> flush_exits() after 0 -> ok end.

events() -> lists:flatten(lists:join(" ", collect())).

collect() -> receive {event, E} -> [E | collect()] after 0 -> [] end.

note_event(Kind, Id) -> collector ! {event, [Kind, ":", atom_to_list(Id)]}.

start_worker(Id) ->
    case ets:lookup(failures, Id) of
        [{Id, N}] when N > 0 ->
            ets:insert(failures, {Id, N - 1}),
            note_event("fail", Id),
            {error, cannot};
        _ ->
            Parent = self(),
            Pid = spawn_link(fun() ->
                process_flag(trap_exit, true),
                Parent ! {self(), ready},
                worker(Parent, Id)
            end),
            receive {Pid, ready} -> ok end,
            note_event("start", Id),
            {ok, Pid}
    end.

worker(Parent, Id) ->
    receive
        {leave, Reason} -> exit(Reason);
        {'EXIT', Parent, Reason} -> note_event("stop", Id), exit(Reason)
    end.
