# Completion of grapevine for fish: grapevine completion fish | source

function __grapevine_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($words[1] __complete $words[2..] "$current" 2>/dev/null)
    test (count $answer) -gt 0; or return
    for each in $answer[1..-2]
        echo $each
    end
    if test "$answer[-1]" = :0
        __fish_complete_path "$current"
    end
end

complete -c grapevine -f -k -a '(__grapevine_complete)'
